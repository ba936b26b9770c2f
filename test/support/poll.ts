const everyMs = 200;

/** Asks until `done` says so, and gives the answer; fails with what was seen last. */
export async function until<T>(ask: () => Promise<T>, done: (answer: T) => boolean, limitMs: number): Promise<T> {
  const endsAtMs = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (done(answer)) return answer;
    if (performance.now() > endsAtMs) throw new Error(`not within ${limitMs} ms; seen last: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
