import { FitAddon } from '@xterm/addon-fit'
import { Terminal as Xterm, type ITheme } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'

/** The drawn terminal: fits its element, follows the system's light or dark. */
export interface Screen {
  readonly xterm: Xterm
  /** Takes the element's size; calls onResize when rows or columns changed. */
  fit(): void
  dispose(): void
}

export const openScreen = (element: HTMLElement, onLeave: () => void): Screen => {
  const dark = window.matchMedia('(prefers-color-scheme: dark)')
  const still = window.matchMedia('(prefers-reduced-motion: reduce)')
  const xterm = new Xterm({
    fontFamily: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace',
    fontSize: 13,
    lineHeight: 1.25,
    cursorBlink: !still.matches,
    scrollback: 10_000,
    // Colours a program chose are kept readable on whatever ground they land.
    minimumContrastRatio: 4.5,
    screenReaderMode: false,
    theme: dark.matches ? DARK : LIGHT,
  })
  const fit = new FitAddon()
  xterm.loadAddon(fit)
  xterm.open(element)
  // Tab belongs to the shell; this is the way out by keyboard.
  xterm.attachCustomKeyEventHandler((event) => {
    if (!(event.key === 'Enter' && event.ctrlKey && event.shiftKey)) return true
    if (event.type === 'keydown') onLeave()
    return false
  })
  const onScheme = () => (xterm.options.theme = dark.matches ? DARK : LIGHT)
  dark.addEventListener('change', onScheme)
  const refit = () => {
    if (element.clientWidth > 0 && element.clientHeight > 0) fit.fit()
  }
  const observer = new ResizeObserver(refit)
  observer.observe(element)
  refit()
  return {
    xterm,
    fit: refit,
    dispose: () => {
      observer.disconnect()
      dark.removeEventListener('change', onScheme)
      xterm.dispose()
    },
  }
}

const LIGHT: ITheme = {
  background: '#fffdfa',
  foreground: '#2c2521',
  cursor: '#8f4f16',
  cursorAccent: '#fffdfa',
  selectionBackground: '#ecd9c4',
  black: '#2c2521',
  red: '#b3261e',
  green: '#3a6b2f',
  yellow: '#8a5a00',
  blue: '#2b5b9c',
  magenta: '#8a3a86',
  cyan: '#1d6a70',
  white: '#6d625a',
  brightBlack: '#7b6f66',
  brightRed: '#c53a30',
  brightGreen: '#4a7d3d',
  brightYellow: '#9a6a10',
  brightBlue: '#3a6db0',
  brightMagenta: '#9b4b97',
  brightCyan: '#2b7b81',
  brightWhite: '#2c2521',
}
const DARK: ITheme = {
  background: '#14110f',
  foreground: '#e9e1d8',
  cursor: '#e6a866',
  cursorAccent: '#14110f',
  selectionBackground: '#4a3a2b',
  black: '#3a332d',
  red: '#f08a7e',
  green: '#9dc98a',
  yellow: '#e8bf6d',
  blue: '#8db7ec',
  magenta: '#d8a0d4',
  cyan: '#86c9cc',
  white: '#d9d0c6',
  brightBlack: '#8b8077',
  brightRed: '#ffa99f',
  brightGreen: '#b7dda6',
  brightYellow: '#f6d48e',
  brightBlue: '#accdf6',
  brightMagenta: '#e8bde5',
  brightCyan: '#a6dee0',
  brightWhite: '#fbf6f0',
}
