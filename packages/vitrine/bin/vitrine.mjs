#!/usr/bin/env node
// The command: everything is in the bundle, so that starting loads one file.
try {
  await import('../dist/cli.mjs');
} catch (error) {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND' || !String(error.message).includes('cli.mjs'))
    throw error;
  process.stderr.write(
    'vitrine: this checkout is not built yet; run `npm install` (or `npm run build`)\n',
  );
  process.exitCode = 125;
}
