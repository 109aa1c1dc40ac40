import { useEffect } from 'react'

/**
 * Keys of one letter, only while nothing that takes text has the focus and no dialog is open. The
 * terminal takes text.
 */
export const useKeys = (keys: Readonly<Record<string, () => void>>): void => {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
      const target = event.target as HTMLElement
      if (target.closest('input, textarea, select, [contenteditable], .xterm, dialog')) return
      if (document.querySelector('dialog[open]') !== null) return
      const action = keys[event.key]
      if (action === undefined) return
      event.preventDefault()
      action()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [keys])
}
