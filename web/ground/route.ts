import { useSyncExternalStore } from 'react'

const CHANGED = 'dormouse:route'

/** Goes to an address of this page without loading it anew. */
export const go = (path: string): void => {
  history.pushState(null, '', path)
  window.dispatchEvent(new Event(CHANGED))
}

export const usePath = (): string =>
  useSyncExternalStore(
    (changed) => {
      window.addEventListener('popstate', changed)
      window.addEventListener(CHANGED, changed)
      return () => {
        window.removeEventListener('popstate', changed)
        window.removeEventListener(CHANGED, changed)
      }
    },
    () => location.pathname,
  )

/** For links: an ordinary click stays here; with a modifier it is the browser's. */
export const stay = (event: React.MouseEvent<HTMLAnchorElement>): void => {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  event.preventDefault()
  go(new URL(event.currentTarget.href).pathname)
}
