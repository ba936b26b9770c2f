import { Button } from './button.tsx';
import { tell, tellError } from './toasts.tsx';

/** Something that is shown once and should be put away. */
export function Secret({ title, value }: { title: string; value: string }) {
  const copy = (): void => {
    navigator.clipboard.writeText(value).then(() => tell('copied'), tellError);
  };
  return (
    <div className="note good secret" role="status">
      <p>{title}</p>
      <p className="row">
        <code>{value}</code>
        {/* Browsers give the clipboard to pages over HTTPS, and to those of the machine itself. */}
        {window.isSecureContext && (
          <Button small onClick={copy}>
            Copy
          </Button>
        )}
      </p>
    </div>
  );
}
