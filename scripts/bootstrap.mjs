// Checks the machine's own Node, then installs the npm packages. Has no static imports and no recent syntax, so that a
// Node that is too old gets as far as saying so.
/** Debian 12's own. */
const oldestNode = 18;
const found = process.versions.node;

if (Number(found.split('.')[0]) < oldestNode) {
  process.stderr.write(
    `tidepool: Node ${oldestNode} or newer is needed to install the npm packages, and this is ${found} ` +
      `(${process.execPath}). Install a newer one, for instance with your distribution's nodejs package or from nodejs.org.\n`,
  );
  process.exit(69);
} else {
  import('./install.mjs')
    .then((module) => module.install(process.argv[2]))
    .catch((error) => {
      process.stderr.write(`tidepool: the npm packages could not be installed: ${error.stack}\n`);
      process.exit(70);
    });
}
