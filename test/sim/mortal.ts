/** One life of a process. */
export interface Life {
  isOver: boolean;
}

/**
 * A part as a process sees it that may be killed: from then on its calls do nothing and never return, and it is called
 * back no more, while what it had begun outside goes on. So whatever the process was doing stops where it was.
 */
export function mortal<T extends object>(part: T, life: Life): T {
  return new Proxy(part, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value === 'object' && value !== null) return mortal(value, life);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (life.isOver) return new Promise(() => undefined);
        return onlyAlive(
          Reflect.apply(
            value,
            target,
            args.map((arg) => callback(arg, life)),
          ),
          life,
        );
      };
    },
  });
}

function callback(arg: unknown, life: Life): unknown {
  if (typeof arg !== 'function') return arg;
  return (...args: unknown[]) => (life.isOver ? new Promise(() => undefined) : Reflect.apply(arg, undefined, args));
}

function onlyAlive(result: unknown, life: Life): unknown {
  if (result instanceof Promise) {
    return new Promise((resolve, reject) => {
      result.then(
        (value) => life.isOver || resolve(value),
        (error) => life.isOver || reject(error),
      );
    });
  }
  const isStream = typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
  return isStream ? mortalStream(result as AsyncIterable<unknown>, life) : result;
}

async function* mortalStream(stream: AsyncIterable<unknown>, life: Life): AsyncGenerator<unknown> {
  const iterator = stream[Symbol.asyncIterator]();
  for (;;) {
    const next = (await onlyAlive(iterator.next(), life)) as IteratorResult<unknown>;
    if (next.done) return next.value;
    yield next.value;
  }
}
