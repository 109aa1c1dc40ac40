-- Deleted for good, while the row stays for the terminated computes that name it: a save that comes late brings nothing back.
alter table filesystems add column purged_at timestamptz;
