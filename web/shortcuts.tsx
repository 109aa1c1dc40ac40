import { Dialog } from './ground/dialog.tsx'

const SHORTCUTS: readonly (readonly [string, string])[] = [
  ['?', 'this list'],
  ['l', 'all computes'],
  ['n', 'new compute'],
  ['/', 'find a compute'],
  ['t', 'into the terminal'],
  ['w', 'wake'],
  ['h', 'hibernate'],
  ['Ctrl Shift Enter', 'out of the terminal'],
]

export const Shortcuts = ({ onClose }: { readonly onClose: () => void }) => (
  <Dialog title="Keyboard" onClose={onClose}>
    <dl className="shortcuts">
      {SHORTCUTS.map(([keys, what]) => (
        <div key={keys}>
          <dt>
            {keys.split(' ').map((key) => (
              <kbd key={key}>{key}</kbd>
            ))}
          </dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
    <div className="buttons">
      <button onClick={onClose}>Close</button>
    </div>
  </Dialog>
)
