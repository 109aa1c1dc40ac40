import { chromium, type Browser, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startStack, type Stack } from '../test/support/stack.ts'
import { visit, type Visitor } from '../test/support/visitor.ts'

const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const PATIENCE_MS = 60_000
const BASE = { id: 'base', group_id: null, state: 'ready', digest: 'sha256:0', size_bytes: 0 }

describe('the page', () => {
  let stack: Stack
  let visitor: Visitor
  let browser: Browser
  let page: Page
  let id: string
  const problems: string[] = []

  beforeAll(async () => {
    stack = await startStack()
    visitor = await visit(stack)
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    })
    page = await browser.newPage({ viewport: { width: 1200, height: 800 } })
    page.setDefaultTimeout(PATIENCE_MS)
    page.on('pageerror', (error) => problems.push(error.message))
  })
  afterAll(async () => {
    await browser?.close()
    await stack?.stop()
  })

  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const stateIs = (state: string) => page.locator(`.state-line [data-state="${state}"]`).waitFor()
  const connected = () => page.locator('.terminal-foot span', { hasText: /^connected$/ }).waitFor()
  /** What the terminal shows, line by line as drawn. */
  const screen = () => page.locator('.xterm-rows').innerText()
  const shows = async (text: string) => {
    await expect.poll(screen, { timeout: PATIENCE_MS }).toContain(text)
  }

  it('refuses a wrong password in words, and lets the right one in', async () => {
    await page.goto(stack.apiUrl)
    await page.getByLabel('Email').fill(stack.email)
    await page.getByLabel('Password').fill('not it')
    await button('Log in').click()
    await page.getByRole('alert').filter({ hasText: 'wrong' }).waitFor()
    await page.getByLabel('Password').fill(stack.password)
    await button('Log in').click()
    await button('Make your first compute').waitFor()
  })

  it('keeps no token where a script could read it', async () => {
    const readable = await page.evaluate(
      () => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }),
    )
    expect(readable).toBe('{}')
  })

  it('offers what the platform has to start from, also where that is not this machine', async () => {
    const images = '**/api/images*'
    await page.route(images, (route) =>
      route.fulfill({ json: { items: [{ ...BASE, name: 'base' }], next_cursor: null } }),
    )
    await page.keyboard.press('n')
    await expect.poll(() => page.getByLabel('Image').inputValue()).toBe('base')
    expect(await page.getByLabel('Image').locator('option').allInnerTexts()).toEqual(['base'])
    expect(await page.getByLabel('Network').innerText()).not.toContain('this machine')
    await page.keyboard.press('Escape')
    await page.unroute(images)
  })

  it('creates a compute by keyboard and types into its terminal', async () => {
    await page.keyboard.press('n')
    await page.getByLabel('Name').fill('from-the-page')
    await page.keyboard.press('Enter')
    await stateIs('running')
    id = /computes\/([a-z0-9]+)/.exec(page.url())![1]!
    await connected()
    await page.keyboard.type('echo "answer $((6 * 7))" | tee kept\n')
    await shows('\nanswer 42')
  })

  it('shows the same terminal again after a reload', async () => {
    await page.reload()
    await connected()
    await shows('\nanswer 42')
    await page.keyboard.type('echo still $((7 * 7)) here\n')
    await shows('\nstill 49 here')
  })

  it('takes the terminal up where it was when the gateway restarts', async () => {
    await page.keyboard.type('for i in 1 2 3 4 5; do echo tick-$i; sleep 1; done\n')
    await shows('\ntick-1')
    await stack.kill('gateway')
    await stack.start('gateway')
    await shows('\ntick-5')
    const ticks = (await screen()).match(/^tick-\d$/gm)
    expect(ticks).toEqual(['tick-1', 'tick-2', 'tick-3', 'tick-4', 'tick-5'])
  })

  it('lets the keyboard out of the terminal', async () => {
    await page.keyboard.press('Control+Shift+Enter')
    expect(await page.evaluate(() => document.activeElement?.closest('.xterm') ?? null)).toBeNull()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  })

  it('hibernates it, and offers to wake it', async () => {
    await button('Hibernate').click()
    await stateIs('hibernated')
    await page.getByRole('heading', { name: 'Asleep' }).waitFor()
    await expect
      .poll(() => page.locator('.timeline li').allInnerTexts(), { timeout: PATIENCE_MS })
      .toContainEqual(expect.stringContaining('hibernated'))
  })

  it('leaves the keyboard on the button that wakes it', async () => {
    await expect.poll(() => page.locator(':focus').innerText()).toBe('Wake')
  })

  it('wakes nothing by being looked at, loaded anew or left open', async () => {
    await page.reload()
    await page.getByRole('heading', { name: 'Asleep' }).waitFor()
    await page.getByRole('link', { name: 'Dormouse' }).click()
    await page.locator('.fleet-row').click()
    await page.waitForTimeout(5_000)
    expect(await visitor.state(id)).toBe('hibernated')
  })

  it('wakes it by the button, with the file in place', async () => {
    await page.locator('.veil').getByRole('button', { name: 'Wake' }).click()
    await stateIs('running')
    await connected()
    await page.keyboard.type('cat kept\n')
    await shows('\nanswer 42')
  })

  it('keeps the prompt within the window, however much there is to tell beside it', async () => {
    await page.setViewportSize({ width: 1200, height: 500 })
    const { height } = (await page.locator('.side').boundingBox())!
    const told = await page.locator('.side').evaluate((side) => side.scrollHeight)
    expect(told).toBeGreaterThan(height)
    const foot = (await page.locator('.terminal-foot').boundingBox())!
    expect(foot.y + foot.height).toBeLessThanOrEqual(500)
    await page.setViewportSize({ width: 1200, height: 800 })
  })

  it('shows at once what others do', async () => {
    await visitor.client.computes.hibernate(id, { wait: 60 })
    await page.getByRole('heading', { name: 'Asleep' }).waitFor({ timeout: 10_000 })
  })

  it('forks the files into a second compute', async () => {
    await button('Fork …').click()
    await page.getByLabel('Name of the new compute').fill('second')
    await page.getByRole('dialog').getByRole('button', { name: 'Fork' }).click()
    await page.getByRole('heading', { name: 'second' }).waitFor()
    await stateIs('running')
    await connected()
    await page.keyboard.type('cat kept\n')
    await shows('\nanswer 42')
  })

  it('finds a compute however its name is spelled', async () => {
    await page.getByRole('link', { name: 'Dormouse' }).click()
    await page.getByLabel('Find a compute').fill(' From-The ')
    await expect.poll(() => page.locator('.fleet-row').count()).toBe(1)
    await page.getByLabel('Find a compute').fill('')
    await page.locator('.fleet-row', { hasText: 'second' }).click()
    await stateIs('running')
  })

  it('deletes only after asking', async () => {
    await button('Delete …').click()
    await page.getByRole('dialog', { name: 'Delete second?' }).waitFor()
    await page.keyboard.press('Escape')
    await stateIs('running')
    await button('Delete …').click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByText('second is being deleted.').waitFor()
    const second = (await visitor.client.computes.page({ name: 'second' })).items[0]!
    await visitor.until(second.id, 'terminated', PATIENCE_MS)
    await page.locator('.fleet-row', { hasText: 'second' }).waitFor({ state: 'detached' })
  })

  it('does not look logged out when nobody heard of it', async () => {
    await page.route('**/auth/logout', (route) => route.abort())
    await button('Log out').click()
    await page.getByRole('heading', { name: 'Dormouse does not answer' }).waitFor()
    await page.unroute('**/auth/logout')
    await button('Try again').click()
    await button('Log out').waitFor()
  })

  it('leaves nothing behind at log-out', async () => {
    await button('Log out').click()
    await page.getByLabel('Password').waitFor()
    await page.reload()
    await page.getByLabel('Password').waitFor()
    expect(problems).toEqual([])
  })
})
