-- Every row that belongs to someone carries its group from the first migration.
create table groups (
  id text primary key,
  name text not null,
  personal_of text unique,
  created_at timestamptz not null default now()
);
create table users (
  id text primary key,
  email text not null unique,
  name text not null,
  password_hash text not null,
  is_operator boolean not null default false,
  created_at timestamptz not null default now(),
  disabled_at timestamptz
);
create table memberships (
  group_id text not null references groups,
  user_id text not null references users,
  role text not null check (role in ('owner', 'member', 'viewer')),
  primary key (group_id, user_id)
);
create index on memberships (user_id);
create table api_keys (
  id text primary key,
  user_id text not null references users,
  group_id text not null references groups,
  name text not null,
  secret_sha256 bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create table refresh_tokens (
  id text primary key,
  family_id text not null,
  user_id text not null references users,
  token_sha256 bytea not null unique,
  successor_id text,
  -- the successor sealed for the few seconds in which its predecessor may be repeated
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  revoked_at timestamptz
);
create index on refresh_tokens (family_id);
create table door_tickets (
  token_sha256 bytea primary key,
  group_id text not null,
  principal jsonb not null,
  compute_id text not null,
  purpose text not null,
  expires_at timestamptz not null,
  used_at timestamptz
);

create table images (
  id text primary key,
  group_id text references groups, -- null: of the platform
  owner_id text,
  name text not null,
  state text not null check (state in ('pending', 'ready', 'failed', 'deleted')),
  base text not null, -- runtime's base image this stands on
  digest text,
  packages jsonb not null default '[]',
  size_bytes bigint not null default 0,
  problem jsonb,
  created_by_compute text,
  created_at timestamptz not null default now()
);
create unique index images_name on images (coalesce(group_id, ''), name) where state <> 'deleted';

create table filesystems (
  id text primary key,
  group_id text not null references groups,
  owner_id text not null,
  name text,
  implicit boolean not null,
  image_digest text not null,
  head_snapshot_id text,
  -- writer's fence: rises at every take; publish names it
  epoch integer not null default 0,
  lease_compute_id text,
  lease_generation integer,
  retain_snapshots integer not null default 5,
  created_at timestamptz not null default now(),
  trashed_at timestamptz,
  forked_from text
);
create index on filesystems (group_id);

create table snapshots (
  id text primary key,
  filesystem_id text not null references filesystems,
  group_id text not null,
  parent_id text,
  epoch integer not null,
  generation integer not null,
  reason text not null,
  image_digest text not null,
  manifest jsonb not null,
  entries integer not null,
  size_bytes bigint not null,
  created_at timestamptz not null default now()
);
create index on snapshots (filesystem_id, created_at);

-- Written (intended) before a byte is uploaded; a part goes only when no reference row and no save names it.
create table parts (
  key text primary key,
  group_id text not null,
  sha256 text,
  size_bytes bigint,
  save_id text not null,
  state text not null check (state in ('intended', 'stored')),
  created_at timestamptz not null default now()
);
create table part_references (
  part_key text not null references parts,
  owner_kind text not null check (owner_kind in ('snapshot', 'image')),
  owner_id text not null,
  ordinal integer not null,
  primary key (owner_kind, owner_id, ordinal)
);
create index on part_references (part_key);

create table computes (
  id text primary key,
  group_id text not null references groups,
  owner_id text not null,
  name text not null,
  image_id text not null references images,
  filesystem_id text not null references filesystems,
  runtime text not null,
  tier text not null,
  network text not null check (network in ('shared', 'none')),
  state text not null,
  reason text not null,
  actor text not null,
  problem jsonb,
  state_since timestamptz not null default now(),
  -- rises by compare-and-set at every start
  generation integer not null default 0,
  idle_timeout_ms bigint not null,
  max_lifetime_ms bigint not null,
  lifetime_ends_at timestamptz,
  schedule jsonb,
  env_sealed bytea,
  delete_requested jsonb,
  created_at timestamptz not null default now(),
  terminated_at timestamptz
);
create index on computes (group_id, created_at desc, id);
create index on computes (state);

-- The binding of a compute's generation to a sandbox: one row each, taken once.
create table sandboxes (
  compute_id text not null references computes,
  generation integer not null,
  group_id text not null,
  epoch integer not null,
  address jsonb,
  fingerprint text,
  claim_id text not null,
  boot_id text,
  limits text,
  base_save_id text,
  opened_at timestamptz,
  last_saved_at timestamptz,
  ended_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (compute_id, generation)
);

create table idempotency_keys (
  group_id text not null,
  principal text not null,
  key text not null,
  request_sha256 bytea not null,
  compute_id text not null,
  created_at timestamptz not null default now(),
  primary key (principal, key)
);

create table port_doors (
  compute_id text not null references computes,
  port integer not null,
  group_id text not null,
  visibility text not null check (visibility in ('private', 'group', 'public')),
  primary key (compute_id, port)
);

-- Append-only. `xid` lets a reader stop below the oldest open transaction, so a cursor never passes an event
-- that commits later.
create table events (
  seq bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  group_id text not null,
  compute_id text,
  generation integer,
  type text not null,
  state text,
  reason text,
  actor text not null,
  data jsonb not null default '{}',
  at timestamptz not null default clock_timestamp()
);
create index on events (compute_id, xid, seq);
create index on events (group_id, xid, seq);
create index on events (xid, seq);

insert into images (id, name, state, base, digest)
values ('host', 'host', 'ready', 'host', 'host');
