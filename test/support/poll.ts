const everyMs = 200;

/**
 * Asks until `done` says so, and gives the answer; fails with what was seen last. It is asked once more after the limit: a
 * machine that stood still has not asked meanwhile.
 */
export async function until<T>(ask: () => Promise<T>, done: (answer: T) => boolean, limitMs: number): Promise<T> {
  const endsAtMs = performance.now() + limitMs;
  for (;;) {
    const isLast = performance.now() > endsAtMs;
    const answer = await ask();
    if (done(answer)) return answer;
    if (isLast) throw new Error(`not within ${limitMs} ms; seen last: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
