import { useMutation } from '@tanstack/react-query';
import { queries } from '../api/queries.ts';
import { tell, tellError } from './toasts.tsx';

/**
 * Something that a button does: what is shown is asked for anew after it, and how it went is told.
 * @param done what to say when it was done; '' to say nothing
 */
export function useAction<T = void>(act: (given: T) => Promise<unknown>, done: string | ((given: T) => string)) {
  return useMutation({
    mutationFn: act,
    onSuccess(_result, given) {
      const text = typeof done === 'string' ? done : done(given);
      if (text !== '') tell(text);
    },
    onError: tellError,
    onSettled: () => void queries.invalidateQueries(),
  });
}
