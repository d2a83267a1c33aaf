/** For the command of whoever looks after a machine with spools. Not for processes that hold one. */
export { lookInto } from './look-into.ts';
export { spoolFilesIn } from './spool-folder.ts';
export { markOf, type SetAsideMark, type SetAsideRow } from './spool-file.ts';
export { orderOnSetAside, type OrderLimits, type SpoolAction } from './spool-order.ts';
