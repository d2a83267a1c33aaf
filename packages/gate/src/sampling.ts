/** Which of many decisions are kept: always the same ones, whoever asks. */
import { hash } from 'node:crypto';
import { ALL_PPM } from '@meterhouse/quota';

/** @param ppm of a million ids about so many; 0 none, 1,000,000 all */
export function isSampled(id: string, ppm: number): boolean {
  if (ppm <= 0) return false;
  if (ppm >= ALL_PPM) return true;
  return hash('sha256', id, 'buffer').readUInt32BE() % ALL_PPM < ppm;
}
