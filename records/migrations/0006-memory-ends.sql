-- Processes of a generation that were ended for memory: how many of them its user was told of, and when the last one was.
alter table sandboxes add column memory_ends integer not null default 0;
alter table sandboxes add column memory_ended_at timestamptz;
