/** Text as it is, in a box that scrolls. @param tall it may take most of the window */
export function CodeBox({ text, tall = false }: { text: string; tall?: boolean }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reached by the keyboard
    <pre className={tall ? 'code preview' : 'code'} tabIndex={0}>
      {text}
    </pre>
  );
}
