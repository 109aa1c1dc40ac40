/**
 * The wire between a compute's sidekick and whoever dials it (gateway, workers, through them
 * browsers and the CLI). HTTP/1.1 and WebSocket over TLS with the sidekick's own key, on a Unix
 * socket or a TCP port. This file is the whole contract; docs/protocol.md shows it as a transcript.
 *
 * Who may call: every request but hello and claim carries `Authorization: Bearer <ticket>`, a JWT
 * (EdDSA, typ `sidekick+jwt`, iss `dormouse`, aud `<computeId>:<generation>`, exp ≤ 60 s, `scp`):
 *   scp `use`     — terminals, commands, files, ports, activity
 *   scp `control` — all of it, and freeze, archive, restore
 * The gateway maps `/compute/<id>/<rest>` to `/v1/<rest>` with a `use` ticket and knows no more.
 */

export const PROTOCOL_VERSION = 1
/** Oldest version this side still speaks. */
export const PROTOCOL_MIN_VERSION = 1
export const TICKET_TYPE = 'sidekick+jwt'
export const TICKET_ISSUER = 'dormouse'
export const TICKET_LIFETIME_S = 60
export type TicketScope = 'use' | 'control'
export const ticketAudience = (computeId: string, generation: number): string =>
  `${computeId}:${generation}`

/** JSON body of every error: HTTP status ≥ 400. `code` is one of these. */
export const SIDEKICK_ERRORS = {
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  not_claimed: 409,
  already_claimed: 409,
  exists: 409,
  wrong_state: 409,
  active: 409,
  stale_epoch: 409,
  gone: 410, // offset older than the ring; `earliest` says what is left
  too_large: 413, // caps: 10 GiB, 1 M entries
  invalid: 422,
  input_full: 429,
  no_listener: 502, // nothing in the compute listens on that port
  frozen: 503,
  not_open: 503,
  not_isolated: 503, // open: a canary address was reached, so the walls do not hold
  no_space: 507,
  internal: 500,
} as const
export type SidekickErrorCode = keyof typeof SIDEKICK_ERRORS
export interface SidekickError {
  readonly code: SidekickErrorCode
  readonly message: string
  readonly details?: Record<string, unknown>
}

// ── Life ────────────────────────────────────────────────────────────────────────────────────────

/** GET /v1/hello (no ticket) */
export interface Hello {
  readonly protocol: number
  readonly minProtocol: number
  readonly features: readonly string[]
  readonly claimed: boolean
  readonly computeId?: string
  readonly generation?: number
  /** claimed → open (users may come in) → frozen → open | retired */
  readonly state: 'unclaimed' | 'claimed' | 'open' | 'frozen' | 'retired'
  /** All parts of a save are in and were said to be: no more are taken. Older sidekicks do not say. */
  readonly restored?: boolean
  /** Random per sidekick process: tells a restarted sidekick from the one that was claimed. */
  readonly bootId: string
}

/**
 * POST /v1/claim (no ticket; single use; the same claim again with the same `claimId` is answered
 * 200, another 409 already_claimed). 204.
 */
export interface ClaimRequest {
  readonly claimId: string
  readonly computeId: string
  readonly generation: number
  readonly epoch: number
  readonly name: string
  /** Ed25519 public keys (JWK) that sign tickets; the current and the previous. */
  readonly ticketKeys: readonly {
    readonly kty: 'OKP'
    readonly crv: 'Ed25519'
    readonly x: string
  }[]
  readonly env: Readonly<Record<string, string>>
  readonly caps: { readonly maxBytes: number; readonly maxEntries: number }
}

/** POST /v1/open (control): trees are in place, users may come in. 204; 503 not_isolated. */
/** POST /v1/notice (control) { text }: a line shown in every terminal. 204. */
/**
 * POST /v1/retire { freeze? } (control): every socket is closed with CLOSE_HIBERNATED. 204. With
 * `freeze`, only while that freeze lasts: 409 wrong_state once anybody could write again.
 */
/** POST /v1/shutdown (control): ends the sidekick process. 204. */

/**
 * GET /v1/activity[?fresh=1] (use): what keeps it up. `dirty` may be a second old, unless `fresh`
 * asks for the trees as they are now.
 */
export interface ActivityStatus {
  readonly idleForMs: number
  readonly reason: string | null
  readonly dirty: boolean
  readonly terminals: number
  readonly commands: number
  readonly memoryBytes: number
  /**
   * Processes that were ended since the start because the compute's memory was used up: how many, and
   * the last ten, oldest first. Older sidekicks do not say.
   */
  readonly endedForMemory?: {
    readonly count: number
    readonly last: readonly { readonly name: string; readonly agoMs: number }[]
  }
}

// ── Save and restore (control) ──────────────────────────────────────────────────────────────────

/**
 * POST /v1/freeze { epoch, leaseMs, onlyIfIdleForMs? } → 200 { frozen: true, stopped: <processes>,
 * freeze } or 409 active with details.activity. User processes get SIGSTOP until a second pass finds none
 * running; new commands, input and writes answer 503 frozen. Thaws by itself after leaseMs. `freeze`
 * rises by one with each freeze; asked again while frozen it is the same one with a new lease.
 * POST /v1/thaw { epoch } → 204; 409 stale_epoch from another epoch.
 */
export interface FreezeRequest {
  readonly epoch: number
  readonly leaseMs: number
  readonly onlyIfIdleForMs?: number
}

/** The first entry of a delta’s archive: the paths it removes, as removals.ts writes and reads them. */
export const ARCHIVE_REMOVED_LIST = '.dormouse/delta.json'
/** 8 MiB: more than archives ever use, and all that a hostile frame may make a reader allocate. */
export const ARCHIVE_WINDOW_LOG = 23

/**
 * POST /v1/archive { saveId, baseSaveId, trees } → 200, header `x-dormouse-archive: full|delta`,
 * body zstd(tar). Delta only when this process still has the index of `baseSaveId`. Tar entries are
 * `home/…` and `env/…`; a delta's first entry `.dormouse/delta.json` lists paths removed since.
 * GET /v1/saves/:saveId → SaveSummary (409 wrong_state while streaming).
 * POST /v1/saves/:saveId/published → 204.
 */
export interface ArchiveRequest {
  readonly saveId: string
  readonly baseSaveId: string | null
  readonly trees: readonly ('home' | 'env')[]
}
export interface SaveSummary {
  readonly saveId: string
  readonly kind: 'full' | 'delta'
  /** Of the compressed stream that was sent. */
  readonly bytes: number
  readonly sha256: string
  /** Rises by one with each archive of this sidekick: of two, the later one saw the newer tree. */
  readonly ordinal?: number
  /** Tar entries in this stream. */
  readonly entries: number
  /** Entries and logical bytes of the whole tree at that time. */
  readonly treeEntries: number
  readonly treeBytes: number
}

/**
 * PUT /v1/restore?index=i&count=n, body zstd(tar), parts in order, index 0 first → 200 { entries }.
 * POST /v1/restored { saveId } → 200 { entries, sizeBytes }: builds the index later deltas are against;
 * 409 wrong_state until all parts are in. From then on no part is taken, and only then open is.
 * A failed restore leaves the sidekick in `claimed`; index 0 again starts over from an empty tree.
 */

// ── Terminals (use) ─────────────────────────────────────────────────────────────────────────────

/**
 * WS /v1/terminal?id=main&cols=80&rows=24[&offset=N][&attempt=A], subprotocol `dormouse.terminal.v1`.
 * Attach starts the shell if terminal `id` is not there, replays from `offset` (default: all the
 * ring has), then goes on live. Many clients may attach. All frames binary: one type byte, then:
 */
export const TERMINAL_PROTOCOL = 'dormouse.terminal.v1'
export const TerminalFrame = {
  // sidekick → client
  hello: 0x00, // JSON TerminalHello
  output: 0x01, // u64 BE offset of the first byte, bytes
  truncated: 0x02, // u64 BE from, u64 BE to: these bytes are gone
  exit: 0x03, // JSON { exitCode, signal }
  inputAck: 0x04, // u64 BE highest input id applied
  notice: 0x05, // UTF-8 text from the platform
  // client → sidekick
  input: 0x10, // u64 BE input id (rises by client), bytes; an id seen before is not typed again
  resize: 0x11, // u16 BE cols, u16 BE rows
  outputAck: 0x12, // u64 BE offset the client has consumed: at most FLOW_WINDOW beyond it is sent
  signal: 0x13, // ASCII name, e.g. SIGINT
} as const
export interface TerminalHello {
  readonly terminalId: string
  /** New for every shell started under this id; offsets and input ids belong to one attempt. */
  readonly attempt: string
  /** Client's own id for input de-duplication: query parameter `client`, else assigned here. */
  readonly client: string
  readonly offset: number
  readonly earliest: number
  /** Where the output stood at attach: all before it is replay. */
  readonly end?: number
  readonly cols: number
  readonly rows: number
  readonly lastInputId: number
}
export const TERMINAL_RING_BYTES = 512 * 1024
export const FLOW_WINDOW_BYTES = 1024 * 1024
export const PING_INTERVAL_MS = 25_000

/** GET /v1/terminals → TerminalInfo[]; DELETE /v1/terminals/:id → 204 */
export interface TerminalInfo {
  readonly id: string
  readonly attempt: string
  readonly pid: number
  readonly clients: number
  readonly offset: number
  readonly createdAt: string
  readonly exited?: { readonly exitCode: number; readonly signal: number | null }
}

export const CLOSE_HIBERNATED = 4410
export const CLOSE_SLOW = 4408
export const CLOSE_RESTARTING = 1012

// ── Commands (use) ──────────────────────────────────────────────────────────────────────────────

/**
 * POST /v1/exec ExecRequest → 200 application/x-ndjson of CommandEvent, ending in `exit`. The
 * command is killed when the client goes away, unless `background`. Every 25 s comes an empty line.
 * POST /v1/commands ExecRequest → 201 CommandInfo (background; never killed with the client)
 * GET /v1/commands → CommandInfo[] ; GET /v1/commands/:id → CommandInfo
 * GET /v1/commands/:id/output?stdout=N&stderr=N → NDJSON from those offsets, live until exit
 * POST /v1/commands/:id/stdin (raw bytes; ?eof=1 closes it) → 204
 * POST /v1/commands/:id/signal { signal } → 204 ; DELETE /v1/commands/:id → 204 (SIGKILL, forget)
 */
export interface ExecRequest {
  /** Either argv, or one string for `sh -c`. */
  readonly command: string | readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** 0 is none; default 60 s for exec, none for background. */
  readonly timeoutMs?: number
  readonly background?: boolean
  /** UTF-8 text given to stdin, which is then closed; without it stdin stays open for POST stdin only when `stdinOpen`. */
  readonly stdin?: string
  readonly stdinOpen?: boolean
}
export type CommandEvent =
  | { readonly type: 'start'; readonly id: string; readonly pid: number }
  | {
      readonly type: 'stdout' | 'stderr'
      readonly offset: number
      /** base64 */ readonly data: string
    }
  | {
      readonly type: 'truncated'
      readonly stream: 'stdout' | 'stderr'
      readonly from: number
      readonly to: number
    }
  | {
      readonly type: 'exit'
      readonly exitCode: number | null
      readonly signal: string | null
      readonly timedOut: boolean
      readonly durationMs: number
    }
export interface CommandInfo {
  readonly id: string
  readonly pid: number
  readonly command: string
  readonly background: boolean
  readonly startedAt: string
  readonly exit?: {
    readonly exitCode: number | null
    readonly signal: string | null
    readonly timedOut: boolean
  }
}
export const COMMAND_RING_BYTES = 1024 * 1024

// ── Files (use) ─────────────────────────────────────────────────────────────────────────────────

/**
 * Paths are absolute inside the compute and must lie in its writable trees (/home/user, /opt/env,
 * /tmp); relative ones start at /home/user. Confined also against symlink races (422 invalid).
 * GET /v1/files?path= → FileEntry[] (one folder) ; GET /v1/files/stat?path= → FileEntry
 * GET /v1/files/content?path= (Range) → bytes ; PUT /v1/files/content?path=[&offset=][&mode=] (streamed; atomic
 *   by rename unless offset is given; makes parent folders) → 200 FileEntry
 * POST /v1/files/mkdir { path } ; POST /v1/files/move { from, to, overwrite? } ;
 * DELETE /v1/files?path=[&recursive=1] → 204
 * WS /v1/files/watch?path=&recursive=1 → JSON text frames WatchMessage
 */
export interface FileEntry {
  readonly path: string
  readonly name: string
  readonly type: 'file' | 'directory' | 'symlink' | 'other'
  readonly sizeBytes: number
  readonly mode: number
  readonly mtimeMs: number
  readonly target?: string
}
export type WatchMessage =
  | { readonly type: 'ready' }
  | {
      readonly type: 'changes'
      readonly changes: readonly { readonly path: string; readonly kind: 'changed' | 'removed' }[]
    }
  /** Changes were dropped: list again what you show. */
  | { readonly type: 'overflow' }

// ── Ports (use) ─────────────────────────────────────────────────────────────────────────────────

/** GET /v1/ports → PortInfo[] ; ANY /v1/ports/:port/<path> and WS: proxied to 127.0.0.1:<port> inside. 502 when nothing listens. */
export interface PortInfo {
  readonly port: number
  readonly pid: number | null
  readonly process: string | null
}
