-- The kubernetes runtime's own image; what it is called in a registry is the runtime's configuration.
insert into images (id, name, state, base, digest)
values ('base', 'base', 'ready', 'base', 'base');
