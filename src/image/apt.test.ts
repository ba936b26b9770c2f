import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aptOptions } from './apt.ts';
import { distributionSources } from './apt-sources.ts';

const bookworm = { id: 'debian', codename: 'bookworm' } as const;
const key = '/usr/share/keyrings/debian-archive-keyring.gpg';

test('deb822 sources, with comments inside and disabled paragraphs', () => {
  const text = `Types: deb deb-src
# a comment in between
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: ${key}

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
`;
  assert.equal(
    distributionSources([{ name: 'debian.sources', text }], bookworm),
    `deb [signed-by=${key}] http://mirror.example/debian bookworm main\n` +
      `deb [signed-by=${key}] http://mirror.example/debian bookworm-updates main\n`,
  );
});

test('one-line sources, with options and comments', () => {
  const text = `# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=${key}] http://mirror.example/debian bookworm main non-free # why
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/security bookworm-security main
`;
  assert.equal(
    distributionSources([{ name: 'sources.list', text }], bookworm),
    `deb [signed-by=${key}] http://mirror.example/debian bookworm main\ndeb http://mirror.example/security bookworm-security main\n`,
  );
});

test('repositories of vendors stay out, whatever they call their suite', () => {
  const text = `deb http://mirror.example/debian bookworm main
deb [signed-by=/etc/apt/keyrings/vendor.gpg] http://vendor.example/apt bookworm main
deb http://vendor.example/other cloud-bookworm main
`;
  assert.equal(
    distributionSources([{ name: 'sources.list', text }], bookworm),
    'deb http://mirror.example/debian bookworm main\n',
  );
});

test('a mirror that signs with a key of its own is used when there is no other', () => {
  const text = 'deb [signed-by=/etc/apt/keyrings/company.gpg] http://mirror.example/ubuntu noble main universe\n';
  const noble = { id: 'ubuntu', codename: 'noble' } as const;
  assert.equal(distributionSources([{ name: 'a.list', text }], noble), text);
});

test('no source of the distribution: the choice is left to mmdebstrap', () => {
  assert.equal(distributionSources([{ name: 'sources.list', text: 'deb http://x.example y main\n' }], bookworm), '');
});

test('only settings on how to fetch are handed on', () => {
  const config = `APT::Architecture "amd64";
Acquire "";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::Check-Valid-Until "false";
Acquire::GzipIndexes "true";
Dir::Etc::parts "apt.conf.d";
`;
  assert.deepEqual(aptOptions(config), [
    'Acquire::http::Proxy "http://proxy.example:3128";',
    'Acquire::Check-Valid-Until "false";',
  ]);
});
