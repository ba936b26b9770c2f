import { Toast } from '@base-ui/react/toast';
import type { ReactNode } from 'react';
import { sentence } from './states.tsx';

const toasts = Toast.createToastManager();

/** Says what was done, for a few seconds. */
export function tell(title: string): void {
  toasts.add({ title, type: 'good' });
}

/** Says what did not work. */
export function tellError(error: unknown): void {
  toasts.add({ title: sentence(error), type: 'bad', priority: 'high', timeout: 10_000 });
}

/** Where messages appear. */
export function ToastProvider({ children }: { children: ReactNode }) {
  return (
    <Toast.Provider toastManager={toasts} limit={4}>
      {children}
      <Toast.Portal>
        <Toast.Viewport className="toasts">
          <Toasts />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function Toasts() {
  const { toasts: shown } = Toast.useToastManager();
  return shown.map((toast) => (
    <Toast.Root key={toast.id} toast={toast} className={`toast ${toast.type ?? ''}`}>
      <Toast.Title className="toast-title" />
      <Toast.Close className="button quiet small" aria-label="Close">
        ×
      </Toast.Close>
    </Toast.Root>
  ));
}
