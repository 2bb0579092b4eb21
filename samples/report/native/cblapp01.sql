-- What APPFILE01 is to the COBOL program: one record, its key is six spaces, its number begins at 0.
create table if not exists appfile01 (
  rkey text primary key,
  counter integer not null
);
insert into appfile01 (rkey, counter) values ('      ', 0) on conflict do nothing;
