/** A child's end of its channel to the driver. */

/** Calls back for every message of the driver's; `messages.ts` says what this process is sent. */
export function onMessage(handle: (message: unknown) => void): void {
  process.on('message', handle);
}

/** Resolves when the message has left this process, so that it is not lost with it. */
export function sendToDriver(message: object): Promise<void> {
  return new Promise((resolve, reject) => {
    if (process.send === undefined) {
      reject(new Error('this process is started by the fault run, not by hand'));
      return;
    }
    process.send(message, undefined, {}, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

/** Lets the process end once it has nothing left to do. */
export function leaveDriver(): void {
  process.disconnect();
}
