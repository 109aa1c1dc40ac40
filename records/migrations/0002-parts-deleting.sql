-- The intent to delete is written before the object goes, so that none is ever without a row.
alter table parts drop constraint parts_state_check;
alter table parts add constraint parts_state_check check (state in ('intended', 'stored', 'deleting'));
create index on parts (created_at);
create index on idempotency_keys (created_at);
