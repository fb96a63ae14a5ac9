create table settings (name text primary key, value) without rowid;

create table destinations (
    id integer primary key,
    key blob not null,
    host text not null,
    port integer not null,
    relay_key blob,
    relay_host text,
    relay_port integer,
    method text not null,
    rate integer,
    min_rate integer not null,
    max_rate integer,
    learned_rate integer,
    learned_base_us integer,
    learned_wall_us integer
);

create table manifests (
    id integer primary key,
    status text not null,
    error text,
    mappings blob not null,
    manifest blob,
    created_us integer not null
);

-- Where an entry is read, and what it was like when the manifest was made.
create table sources (
    manifest integer not null references manifests(id) on delete cascade,
    entry integer not null,
    path blob not null,
    stamp blob not null,
    primary key (manifest, entry)
) without rowid;

create table transfers (
    id integer primary key,
    uid blob not null unique,
    destination integer not null references destinations(id),
    manifest integer not null references manifests(id),
    folder blob not null,
    overwrite text not null,
    priority integer not null,
    state text not null,
    failures integer not null default 0,
    failed_us integer not null default 0,
    message text,
    total_bytes integer not null,
    total_chunks integer not null,
    total_files integer not null,
    durable_bytes integer not null default 0,
    durable blob not null default x'',
    sent_bytes integer not null default 0,
    sent_chunks integer not null default 0,
    repeated_chunks integer not null default 0,
    requested_us integer not null,
    started_us integer,
    ended_us integer,
    is_awaited integer not null default 0,
    restarts integer not null default 0
);

-- Hashes of durable chunks of long files.
create table sent_hashes (
    transfer integer not null references transfers(id) on delete cascade,
    chunk integer not null,
    hash blob not null,
    primary key (transfer, chunk)
) without rowid;

-- Transfers that the receiver has to forget.
create table withdrawn (
    uid blob primary key,
    destination integer not null references destinations(id) on delete cascade
) without rowid;

create table received (
    id integer primary key,
    sender blob not null,
    uid blob not null,
    state text not null,
    overwrite text not null,
    manifest blob not null,
    durable blob not null default x'',
    started_us integer not null,
    active_us integer not null,
    unique (sender, uid)
);

create table received_hashes (
    received integer not null references received(id) on delete cascade,
    chunk integer not null,
    hash blob not null,
    primary key (received, chunk)
) without rowid;
