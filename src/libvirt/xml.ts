import { TidepoolError } from '../domain/errors.ts';

/** A piece of XML, escaped already. Only `element` makes it. */
export interface Xml {
  readonly xml: string;
}

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element with its attributes (those that are undefined left out) and its children: text, or elements. */
export function element(name: string, attributes: Attributes = {}, ...children: readonly (string | Xml)[]): Xml {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escaped(String(value))}"`)
    .join('');
  const inner = children.map((child) => (typeof child === 'string' ? escaped(child) : child.xml)).join('');
  return { xml: inner === '' ? `<${name}${written}/>` : `<${name}${written}>${inner}</${name}>` };
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  // Kept as they are, a reader would turn these into spaces inside an attribute.
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

function escaped(text: string): string {
  // XML 1.0 cannot hold these characters in any form.
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text) || !text.isWellFormed()) {
    throw new TidepoolError('invalid', `${JSON.stringify(text)} has a character that XML cannot hold`);
  }
  return text.replace(/[&<>"'\t\n\r]/g, (character) => entities[character] ?? character);
}
