/** What `meterhouse keys` prints. */
import type { ApiKey } from '@meterhouse/postgres/access';
import { formatInstant } from '../output/instants.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { printable } from '../output/printable.ts';
import { renderTable } from '../output/table.ts';

type Standing = 'valid' | 'expired' | 'revoked';

function standingOf(key: ApiKey, now: number): Standing {
  if (key.revokedAt !== null) return 'revoked';
  return key.expiresAt !== null && now >= key.expiresAt ? 'expired' : 'valid';
}

export function keyJson(key: ApiKey, now: number): Readonly<Record<string, Json>> {
  return {
    id: key.keyId,
    role: key.role,
    tenant: key.tenantId,
    name: key.name,
    state: standingOf(key, now),
    createdAt: iso(key.createdAt),
    createdBy: key.createdBy,
    expiresAt: iso(key.expiresAt),
    previousValidUntil: iso(key.previousValidUntil),
    rotatedAt: iso(key.rotatedAt),
    rotatedBy: key.rotatedBy,
    revokedAt: iso(key.revokedAt),
    revokedBy: key.revokedBy,
    lastUsedAt: iso(key.lastUsedAt),
  };
}

export function renderKeys(keys: readonly ApiKey[], now: number, palette: Palette): string {
  const paint = { valid: palette.good, expired: palette.warn, revoked: palette.bad };
  return renderTable(
    ['id', 'role', 'tenant', 'name', 'state', 'expires', 'old secret until', 'last used', 'made by'].map(
      (title) => ({ title }),
    ),
    keys.map((key) => {
      const standing = standingOf(key, now);
      const overlap = key.previousValidUntil;
      return [
        key.keyId,
        key.role,
        printable(key.tenantId ?? '(platform)'),
        printable(key.name),
        paint[standing](standing),
        instant(key.expiresAt),
        instant(overlap !== null && now < overlap && standing === 'valid' ? overlap : null),
        instant(key.lastUsedAt),
        printable(key.createdBy),
      ];
    }),
    palette,
  );
}

/** The one time that the secret is shown. */
export function renderSecret(text: string, palette: Palette): string {
  return `${text}\n${palette.warn('this is shown once: only a hash of it is kept')}\n`;
}

function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

function instant(at: number | null): string {
  return at === null ? '-' : formatInstant(at);
}
