/** The key that whoever started the system uses the API with: for everything, kept in the data dir. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createPool, inTransaction, type Pool } from '@meterhouse/postgres';
import {
  auditKey,
  createApiKey,
  findApiKey,
  judgeKey,
  KEY_ID_BYTES,
  makeKey,
  parseKeyText,
  SECRET_BYTES,
  type KeyText,
} from '@meterhouse/postgres/access';

const BY = 'npm start';

export function apiKeyPath(dataDir: string): string {
  return join(dataDir, 'api-key');
}

/**
 * Makes a key of the platform's admin unless the one that is kept still stands.
 * @param url of Postgres
 * @param operator may make keys
 */
export async function keepApiKey(dataDir: string, url: string, operator: Pool): Promise<void> {
  const path = apiKeyPath(dataDir);
  const kept = parseKeyText((await readIfThere(path)).trim());
  if (kept !== null && (await stands(kept, url))) return;
  const key = makeKey({ keyId: randomBytes(KEY_ID_BYTES), secret: randomBytes(SECRET_BYTES) });
  // Written first: a key that nobody has would stay behind otherwise.
  await writeFile(path, `${key.text}\n`, { mode: 0o600 });
  await inTransaction(operator, async (client) => {
    const { keyId, secretHash } = key;
    const about = {
      tenantId: null,
      role: 'platform_admin',
      name: BY,
      createdBy: BY,
      expiresAt: null,
    } as const;
    const created = await createApiKey(client, { keyId, secretHash, ...about });
    await auditKey(client, { actor: { type: 'person', id: BY } }, 'key.create', created);
  });
}

/** Whether the API would take it, asked as the API asks. */
async function stands(kept: KeyText, url: string): Promise<boolean> {
  const pool = createPool({ url, role: 'meterhouse_api', applicationName: 'meterhouse-start', max: 1 });
  try {
    const stored = await findApiKey(pool, kept.keyId);
    return stored !== null && judgeKey(stored, kept, Date.now()) === 'valid';
  } finally {
    await pool.end();
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
