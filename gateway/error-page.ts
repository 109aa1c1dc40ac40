import type { Refusal } from './refusal.ts'

/** A small page for people: what happened and what to do. Holds nothing a compute wrote. */
export const errorPage = (refusal: Refusal): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(heading(refusal))}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto 0; padding: 0 1.5rem }
  h1 { font-size: 1.4rem; font-weight: 600; margin: 0 0 .5rem }
  p { margin: 0 0 1rem }
  small { opacity: .6 }
</style>
<h1>${escapeHtml(heading(refusal))}</h1>
<p>${escapeHtml(advice(refusal))}</p>
<small>${refusal.status} ${escapeHtml(refusal.code)}</small>
</html>
`

const heading = (refusal: Refusal): string => {
  if (refusal.facts['state'] === 'hibernated') return 'This compute is asleep'
  if (refusal.facts['state'] === 'failed') return 'This compute failed'
  if (refusal.code === 'PortClosed') return 'Nothing listens here yet'
  if (refusal.code === 'Unauthenticated') return 'This page is private'
  return refusal.title
}

const advice = (refusal: Refusal): string => {
  if (refusal.facts['state'] === 'hibernated')
    return 'Somebody who may use it can wake it from the workspace; then load this page again.'
  if (refusal.facts['state'] === 'failed')
    return 'Its owner can see why in the workspace, and try again from there.'
  if (refusal.code === 'Unauthenticated') return 'Open it from the workspace of its compute.'
  return refusal.message
}

const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
