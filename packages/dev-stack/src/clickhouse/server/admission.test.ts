/**
 * - no more run at once than may run
 * - who finds the queue full is refused, and has taken no place
 * - a place is given back by a failure too
 */
import { expect, test } from 'vitest';
import { Admission, TooBusyError } from './admission.ts';

test('runs as many as may run, lets as many wait as may wait, and refuses the rest', async () => {
  const admission = new Admission({ running: 2, waiting: 3 });
  const gate = Promise.withResolvers<undefined>();
  let running = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, (running += 1));
    await gate.promise;
    running -= 1;
  };
  const admitted = Array.from({ length: 5 }, () => admission.run(work));
  await expect(admission.run(work)).rejects.toBeInstanceOf(TooBusyError);
  gate.resolve(undefined);
  await Promise.all(admitted);
  await admission.run(work);
  expect([most, running]).toEqual([2, 0]);
});

test('gets a place back from work that fails', async () => {
  const admission = new Admission({ running: 1, waiting: 0 });
  await expect(admission.run(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  await expect(admission.run(() => Promise.resolve('done'))).resolves.toBe('done');
});
