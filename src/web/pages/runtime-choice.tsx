import { useQuery } from '@tanstack/react-query';
import type { SelectHTMLAttributes } from 'react';
import type { RuntimeView } from '../../protocol/runtimes.ts';
import { runtimesQuery } from '../api/queries.ts';
import { Choice } from '../ui/field.tsx';

/** What the built-in ones have, for those who do not know them. */
const words: Readonly<Record<string, string>> = {
  python: 'the standard library',
  ml: 'NumPy, SciPy, pandas, scikit-learn, OpenCV, PyTorch',
};

/** The choice of a runtime: those that the server has, and the one that is chosen in any case. */
export function RuntimeChoice({ chosen, ...select }: { chosen: string } & SelectHTMLAttributes<HTMLSelectElement>) {
  const { data } = useQuery(runtimesQuery);
  const known = data?.runtimes ?? [];
  const found = known.find(({ name }) => name === (select.value ?? chosen));
  const names = [...new Set([...known.map(({ name }) => name), chosen])];
  return (
    <Choice label="Runtime" hint={found === undefined ? undefined : hintOf(found)} {...select}>
      {names.map((name) => (
        <option key={name} value={name}>
          {words[name] === undefined ? name : `${name}: ${words[name]}`}
        </option>
      ))}
    </Choice>
  );
}

function hintOf({ state, text }: RuntimeView): string | undefined {
  if (state === 'missing') return 'It is built when it is first asked for, which takes minutes.';
  return state === 'built' ? undefined : text;
}
