-- Format 2 of the history. `PRAGMA user_version` is the format, `application_id` marks the file as one.
create table blocks (
    id integer primary key,
    kept integer not null,          -- the table, KeptTable::number
    first_serial integer not null,  -- of its first row; rows of a table count up by one
    rows integer not null,
    first_us integer not null,      -- the earliest time of its rows
    last_us integer not null,       -- the latest
    level integer not null,         -- how often its rows were merged; 9 if they are not merged any more
    bytes integer not null,
    data blob not null
);
-- Has all but the data, so that choosing blocks reads none.
create unique index block_heads on blocks (kept, first_serial, rows, first_us, last_us, level, bytes);
-- The sums of a period, PeriodSums::encode. Those that are `pending` are not part of the next longer period yet.
create table sums (
    id integer primary key,
    period integer not null,        -- Space::number
    start_us integer not null,
    bytes integer not null,
    folded blob,
    pending blob,
    unique (period, start_us)
);
-- What is known of the file as a whole.
create table state (
    name text primary key,
    value integer not null
);
-- What was removed, because newer rows needed the space.
create table removed (
    kept integer primary key,
    rows integer not null,
    until_us integer not null       -- the latest time of a removed row
);
-- When an agent sampled, and what it lost.
create table watched (
    id integer primary key,
    from_us integer not null,
    to_us integer not null,
    instance text not null,
    events text not null,
    lost_events integer not null,
    losses text not null
);
