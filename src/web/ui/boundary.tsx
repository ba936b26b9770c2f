import { Component, type ReactNode } from 'react';
import { Problem } from './states.tsx';

/** Shows what a page broke on instead of an empty window; another page, or a reload, begins anew. */
export class Boundary extends Component<{ children: ReactNode }, { error: unknown; at: string }> {
  override state = { error: undefined as unknown, at: location.pathname };

  static getDerivedStateFromError(error: unknown) {
    return { error, at: location.pathname };
  }

  override render(): ReactNode {
    const { error, at } = this.state;
    if (error === undefined || at !== location.pathname) return this.props.children;
    return <Problem error={error} retry={() => location.reload()} />;
  }
}
