/** Who calls the command, as it is written down. */
import { userInfo } from 'node:os';
import { person, type AuditActor } from '@meterhouse/postgres/access';

/** Characters of a name. */
export const MAX_BY = 256;

/** The name that was given, else the user of this process. */
export function authorOf(by: string | null): string {
  return by ?? userInfo().username;
}

/** Where the command takes no name. */
export function thisUser(): AuditActor {
  return person(authorOf(null));
}
