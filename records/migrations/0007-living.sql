-- When it was last asked to come up: until its row shows that, it counts as up for every process that asks.
alter table computes add column wake_asked_at timestamptz;
-- Terminated computes stay, and grow to most of the table: what counts or looks for the others passes them over.
create index computes_living_owner on computes (owner_id) where state <> 'terminated';
create index computes_living_group on computes (group_id) where state <> 'terminated';
create index computes_filesystem on computes (filesystem_id);
create index images_pending on images (created_by_compute) where state = 'pending';
