-- What keeps computes apart from what is not theirs: each wall as it was when it was last looked at.
create table walls (
  part text primary key,
  holds boolean not null,
  reason text,
  -- Of the compute that met it, where one did.
  group_id text,
  since timestamptz not null default now(),
  checked_at timestamptz not null default now()
);
