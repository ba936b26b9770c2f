import { TidepoolError } from '../domain/errors.ts';

// Checks of what the specs of attempts and of services have in common. Errors: `invalid`.

/** Whether a text can be the id of an attempt or a service (and so a folder's name). */
export function isId(text: unknown): text is string {
  return typeof text === 'string' && /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/.test(text);
}

/** Whether it can be a runtime's name. */
export function isRuntimeName(text: unknown): text is string {
  return typeof text === 'string' && /^[a-z0-9][a-z0-9-]{0,15}$/.test(text);
}

/** Whether it can be an argument of a program, or the value of a variable. */
export function isArgument(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}

/** @param what for the message, e.g. `the attempt` */
export function parseObject(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TidepoolError('invalid', `${what} is not JSON`, { cause });
  }
  return objectOf(value, what);
}

/** The value, if it is an object and no list. */
export function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TidepoolError('invalid', `${what} is no object`);
  return value as Record<string, unknown>;
}

/** Variables of an environment. */
export function environmentOf(value: unknown, what: string): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, text] of Object.entries(objectOf(value, `the environment of ${what}`))) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new TidepoolError('invalid', `${JSON.stringify(name)} is no name for a variable of ${what}`);
    if (!isArgument(text)) throw new TidepoolError('invalid', `the variable ${name} of ${what} is no text without NUL`);
    environment[name] = text;
  }
  return environment;
}
