/** Texts of faults of a file or folder, by the system's name of the error. */
const known: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there',
  ENOTDIR: 'a part of its path is a file, and must be a folder',
  EISDIR: 'it is a folder, and must be a file',
  EEXIST: 'something of this name is there already',
  EACCES: 'this user has no permission',
  EPERM: 'this user has no permission',
  EROFS: 'its file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: "this user's share of the disk is full",
  ENAMETOOLONG: 'its name is too long',
  ELOOP: 'its symbolic links lead in a circle',
  EMFILE: 'this process has too many files open',
  EIO: 'the disk reports an error',
};

/** Returns in words why a file or folder could not be used, for the end of a sentence that names it. Pure. */
export function fileTrouble(cause: unknown): string {
  const { code = '', message = String(cause) } = cause as NodeJS.ErrnoException;
  return known[code] ?? message;
}
