/** The Debian root that the programs run in, natively and in Vitrine. */
import { existsSync } from 'node:fs';

/** A folder with a root file system that has the packages already: nothing is made then. */
const GIVEN = 'VITRINE_PROGRAMS_ROOT';

export async function debianRoot(): Promise<string | null> {
  const given = process.env[GIVEN];
  if (given !== undefined) {
    if (!existsSync(`${given}/bin/bash`)) throw new Error(`${GIVEN}: ${given} has no bash`);
    return given;
  }
  return null;
}
