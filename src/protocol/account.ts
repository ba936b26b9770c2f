import { z } from 'zod';

/** Accounts, sessions and API tokens of the public API: what goes in and out. */

export const roleSchema = z.enum(['user', 'admin']);
export type Role = z.infer<typeof roleSchema>;

/** What a token may do (docs/accounts.md). `jobs` and `services` include `read`; `worker`, of an administrator, lets a
 * machine join as a worker and nothing else; `admin` includes all. */
export const tokenScopeSchema = z.enum(['read', 'jobs', 'services', 'worker', 'admin']);
export type TokenScope = z.infer<typeof tokenScopeSchema>;

/** As typed; the rules of names and passwords are in src/accounts, so that every refusal says which one it was. */
const typedName = z.string().max(256);
const typedPassword = z.string().max(4_096);

/** Body of POST /session and of POST /signup. */
export const signInSchema = z.strictObject({ name: typedName, password: typedPassword });

export const signUpStateSchema = z.object({ open: z.boolean() });

/** Body of PUT /account/password. */
export const passwordChangeSchema = z.strictObject({ current: typedPassword, next: typedPassword });

/** Who is asking, and by what. */
export const whoSchema = z.object({
  name: z.string(),
  role: roleSchema,
  /** `file`: the admin token of the data folder. */
  signedInBy: z.enum(['session', 'token', 'file']),
  /** Of a token; null where nothing is held back. */
  scopes: z.array(tokenScopeSchema).nullable(),
});
export type WhoView = z.infer<typeof whoSchema>;

export const userSchema = z.object({
  name: z.string(),
  role: roleSchema,
  disabled: z.boolean(),
  createdAtMs: z.number(),
});
export type UserView = z.infer<typeof userSchema>;
export const userListSchema = z.object({ users: z.array(userSchema), nextCursor: z.string().nullable() });
export type UserListView = z.infer<typeof userListSchema>;

/** Body of POST /users; without a password one is made. */
export const newUserSchema = z.strictObject({
  name: typedName,
  password: typedPassword.optional(),
  role: roleSchema.default('user'),
});
/** Body of PATCH /users/:name; what is not named stays. */
export const userChangeSchema = z.strictObject({ role: roleSchema.optional(), disabled: z.boolean().optional() });
/** Body of PUT /users/:name/password; without one it is made. */
export const passwordResetSchema = z.strictObject({ password: typedPassword.optional() });

/** A password that the server made is in the answer, this once; null when the caller gave it. */
const madePassword = z.object({ password: z.string().nullable() });
export const newUserAnswerSchema = userSchema.extend(madePassword.shape);
export const passwordResetAnswerSchema = madePassword;

const dayMs = 24 * 3_600_000;

/** Body of POST /tokens. */
export const newTokenSchema = z.strictObject({
  /** For a person, to know it again. */
  name: z.string().regex(/^[\p{L}\p{N} ._@/-]{1,64}$/u, 'is 1 to 64 letters, digits, spaces and . _ @ / -'),
  scopes: z.array(tokenScopeSchema).min(1).max(tokenScopeSchema.options.length),
  expiresInMs: z
    .int()
    .min(60_000)
    .max(366 * dayMs)
    .default(90 * dayMs),
});
export type NewTokenBody = z.input<typeof newTokenSchema>;

export const tokenSchema = z.object({
  id: z.string(),
  owner: z.string(),
  name: z.string(),
  scopes: z.array(tokenScopeSchema),
  createdAtMs: z.number(),
  expiresAtMs: z.number(),
  /** To the minute; null when it never was. */
  usedAtMs: z.number().nullable(),
});
export type TokenView = z.infer<typeof tokenSchema>;
export const tokenListSchema = z.object({ tokens: z.array(tokenSchema), nextCursor: z.string().nullable() });
/** The token itself is in this answer and nowhere else. */
export const newTokenAnswerSchema = tokenSchema.extend({ token: z.string() });
export type NewTokenView = z.infer<typeof newTokenAnswerSchema>;
