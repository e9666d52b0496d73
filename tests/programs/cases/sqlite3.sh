sqlite3 t.db <<'END'
.mode box
pragma journal_mode = wal;
create table t(id integer primary key, name text, v real, b blob); create index ti on t(name);
begin; with recursive c(x) as (select 1 union all select x + 1 from c where x < 20000) insert into t select x, 'n' || (x * 7919 % 1000), x * 1.5, randomblob(4) from c; commit;
select count(*), sum(v), avg(v), min(name), max(name), group_concat(distinct substr(name, 1, 2)) from t; select name, count(*) c from t group by name having c > 5 order by 2 desc, 1 limit 5;
.mode json
select id, name, v from t where id in (1, 500, 20000);
.mode csv
.headers on
select id, name from t order by v desc limit 3;
.mode insert
select id, name from t limit 2;
.mode column
explain query plan select * from t a join t b on a.id = b.id + 1 where a.name = 'n5';
select json_group_array(x) from (select name x from t limit 3); select strftime('%Y-%m-%d', 0, 'unixepoch'), printf('%05.2f|%s', 3.14159, 'x'), hex('abc'), upper('é'), 7 / 2, 7 % -3, 1e308 * 10, round(2.5), abs(-3), instr('hello', 'l'), typeof(1.0), coalesce(null, 2), 'a' < 'B', 'a' like 'A', 'abc' glob 'a*';
create table p(a int check (a > 0), unique(a)); insert into p values(1); insert or ignore into p values(1); insert into p values(2) on conflict do nothing; insert into p values (-1); update p set a = a + 10 returning a; savepoint s; delete from p; rollback to s; select * from p;
create trigger tr before delete on p begin select raise(abort, 'no delete'); end; delete from p;
create virtual table r using rtree(id, x0, x1); insert into r values(1, 0, 5), (2, 3, 9); select id from r where x1 > 6; create virtual table f using fts5(t); insert into f values('alpha beta'), ('beta gamma'); select t from f('beta NOT alpha');
select sum(v) over (order by id rows between 1 preceding and current row) from t limit 3; vacuum; pragma integrity_check; analyze; reindex; .tables
.schema p
.dump p
.backup b.db
.output o.txt
select * from t limit 1000;
.output
.import --csv --skip 0 /etc/hostname h
select count(*) from h;
.changes on
delete from t where id > 10000;
.timeout 100
.read /nonexistent
END
echo $?; wc -l < o.txt; ls t.db*; sqlite3 b.db 'select count(*) from t'; sqlite3 -json :memory: 'select 1 a, null b'; sqlite3 t.db 'selec'; echo $?; (sqlite3 t.db 'begin immediate; insert into p values(77); select 1;' '.shell sleep 0.5' 'commit;' &); sleep 0.2; sqlite3 -cmd '.timeout 3000' t.db 'insert into p values(88); select count(*) from p where a > 70'; for i in $(seq 20); do sqlite3 -cmd '.timeout 10000' t.db "insert into p values(1000 + $i)" & done; wait; sqlite3 t.db 'select count(*) from p where a > 1000'; sqlite3 t.db .dump | sqlite3 c.db && sqlite3 c.db 'select count(*) from t'; head -c 5000 t.db > trunc.db; sqlite3 trunc.db 'select count(*) from t'; echo $?; chmod 400 b.db; sqlite3 'file:b.db?mode=ro' 'insert into p values(5)'; echo $?; sqlite3 t.db '.recover' 2>/dev/null | grep -c INSERT | awk '{ print ($1 > 100) }'; sqldiff --version 2>/dev/null | head -0; echo '.quit' | sqlite3 -batch; sqlite3 -version | cut -d' ' -f1
