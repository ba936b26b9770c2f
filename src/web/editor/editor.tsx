import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { python } from '@codemirror/lang-python';
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { type Diagnostic, lintGutter, setDiagnostics } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useRef } from 'react';
import type { Place } from './syntax.ts';

/** Colours come from the page's style sheet, so they are light or dark as the page is. */
const colours = syntaxHighlighting(
  HighlightStyle.define([
    { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword], color: 'var(--code-keyword)' },
    { tag: [tags.string, tags.special(tags.string)], color: 'var(--code-string)' },
    { tag: [tags.number, tags.bool, tags.null], color: 'var(--code-number)' },
    { tag: [tags.comment], color: 'var(--code-comment)' },
    {
      tag: [tags.function(tags.definition(tags.variableName)), tags.definition(tags.className)],
      color: 'var(--code-name)',
    },
  ]),
);

const look = EditorView.theme({
  '&': { height: '100%', color: 'var(--ink)', backgroundColor: 'var(--paper)', fontSize: '14px' },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '-2px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5', overflow: 'auto' },
  '.cm-content': { caretColor: 'var(--ink)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-gutters': { backgroundColor: 'var(--shade)', color: 'var(--faint)', border: 'none' },
  '.cm-activeLine': { backgroundColor: 'var(--hover)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--selected) !important' },
  // Its own is a picture in a data: address, which our content security policy stops.
  '.cm-lint-marker-error': { content: 'normal', color: 'var(--bad)', lineHeight: '1.5' },
  '.cm-lint-marker-error::before': { content: '"●"' },
  '.cm-tooltip': { backgroundColor: 'var(--paper)', color: 'var(--ink)', border: '1px solid var(--line)' },
});

/** An editor for Python. Tab indents; Escape and then Tab leaves it. */
export default function Editor({
  value,
  onChange,
  problems,
  label,
}: {
  value: string;
  onChange: (text: string) => void;
  problems: readonly Place[];
  label: string;
}) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const change = useRef(onChange);
  change.current = onChange;
  const first = useRef(value);
  /** What was told by `onChange` and has not come back as the value, oldest first. */
  const told = useRef<string[]>([]);

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    // In a shadow root its styles are constructed sheets; style elements would be against our content security policy.
    const root = element.shadowRoot ?? element.attachShadow({ mode: 'open' });
    const parent = document.createElement('div');
    parent.style.height = '100%';
    root.replaceChildren(parent);
    const made = new EditorView({
      parent,
      root,
      state: EditorState.create({
        doc: first.current,
        extensions: [
          ...[lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), highlightActiveLine()],
          ...[python(), indentUnit.of('    '), lintGutter(), colours, look],
          keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
          EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false', tabindex: '0' }),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged) return;
            const text = update.state.doc.toString();
            told.current.push(text);
            change.current(text);
          }),
        ],
      }),
    });
    view.current = made;
    return () => {
      view.current = null;
      made.destroy();
    };
  }, [label]);

  useEffect(() => {
    const { current } = view;
    // Who types is ahead of the page: what comes back may be older than what is there.
    const at = told.current.indexOf(value);
    told.current = told.current.slice(at + 1);
    if (at >= 0 || current === null || current.state.doc.toString() === value) return;
    current.dispatch({ changes: { from: 0, to: current.state.doc.length, insert: value } });
  }, [value]);

  useEffect(() => {
    const { current } = view;
    if (current === null) return;
    const { doc } = current.state;
    const diagnostics = problems.flatMap(({ line, column, message }): Diagnostic[] => {
      if (line > doc.lines) return [];
      const { from, to } = doc.line(line);
      const at = Math.min(from + column - 1, to);
      return [{ from: at, to: Math.min(at + 1, doc.length), severity: 'error', message }];
    });
    current.dispatch(setDiagnostics(current.state, diagnostics));
    const [firstPlace] = diagnostics;
    if (firstPlace !== undefined)
      current.dispatch({
        selection: { anchor: firstPlace.from },
        effects: EditorView.scrollIntoView(firstPlace.from, { y: 'center' }),
      });
  }, [problems]);

  return <div className="editor" ref={host} />;
}
