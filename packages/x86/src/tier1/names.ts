/** Names of what modules import and export. */

/** Name of the export that enters region `region` of a module at its entry `entry`. */
export const entryExport = (region: number, entry: number): string => `e${region}.${entry}`;

/** Name of the export that is the region itself, with the number of an entry behind a handler's parameters. */
export const regionExport = (region: number): string => `r${region}`;

/** Names of imported globals: the handler of tier 0 that an entry's record had. */
export const handlerGlobal = (region: number, entry: number): string => `h${region}.${entry}`;

/** The same: where its indirect jumps note their targets. */
export const notesGlobal = (region: number): string => `n${region}`;

/** Names of imported globals: a block's first record and its handler in tier 0, and a page's code guard. */
export const recGlobal = (va: number): string => `r${va}`;
export const ownHandlerGlobal = (va: number): string => `o${va}`;
export const guardGlobal = (va: number): string => `g${va}`;

/** Name of an imported global: where a region's notes are; regions of a module have one each. */
export const NOTES = 'notes';
