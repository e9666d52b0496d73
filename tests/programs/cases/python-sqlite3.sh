python3 - <<'END'
import sqlite3, os, threading, multiprocessing, hashlib
db = sqlite3.connect('/tmp/t.db'); c = db.cursor(); print(c.execute('pragma journal_mode=wal').fetchone()); c.executescript('create table u(id integer primary key, n text unique, d json, t real default 1.5); create table o(id integer primary key, u int references u on delete cascade, amt int check (amt > 0)); create index i on o(u); pragma foreign_keys=on; create view v as select n, sum(amt) s from u join o on o.u = u.id group by u.id; create trigger tr after insert on o begin update u set t = t + new.amt where id = new.u; end;')
with db: c.executemany('insert into u(n, d) values(?, ?)', [(f'user{i}', '{"k": %d}' % i) for i in range(500)]); c.executemany('insert into o(u, amt) values(?, ?)', [(i % 500 + 1, i % 97 + 1) for i in range(20000)])
print(c.execute('select count(*), sum(amt), avg(amt) from o').fetchone(), c.execute('select * from v order by s desc, n limit 3').fetchall(), c.execute("select json_extract(d, '$.k') from u where n = 'user42'").fetchone()); print(c.execute('with recursive f(a, b) as (select 0, 1 union all select b, a + b from f limit 30) select max(a) from f').fetchone(), c.execute('select n, row_number() over (order by t desc, n), lag(n) over (order by t desc, n) from u limit 3').fetchall()); print(c.execute('explain query plan select * from o where u = 5').fetchall()[0][3])
for q in ("insert into u(n) values('user1')", 'insert into o(u, amt) values(1, -1)', 'insert into o(u, amt) values(99999, 1)', 'select nope', 'selec'):
    try: c.execute(q)
    except sqlite3.Error as e: print(type(e).__name__, e)
db.rollback(); db.create_function('sha', 1, lambda x: hashlib.sha1(str(x).encode()).hexdigest()); print(c.execute("select sha('abc')").fetchone()); c.execute('create virtual table ft using fts5(body)'); c.executemany('insert into ft values(?)', [('the quick brown fox',), ('lazy dogs sleep',), ('quick thinking',)]); print(c.execute("select rowid, highlight(ft, 0, '<', '>') from ft where ft match 'quick' order by rank").fetchall()); db.commit()
def writer(i):
    d = sqlite3.connect('/tmp/t.db', timeout=60)
    for k in range(20):
        with d: d.execute('insert into o(u, amt) values(?, ?)', (i + 1, k + 1))
    d.close()
ts = [threading.Thread(target=writer, args=(i,)) for i in range(4)]; [t.start() for t in ts]; [t.join() for t in ts]; ps = [multiprocessing.Process(target=writer, args=(i,)) for i in range(4)]; [p.start() for p in ps]; [p.join() for p in ps]; print(c.execute('select count(*) from o').fetchone(), [p.exitcode for p in ps])
l = sqlite3.connect('/tmp/t.db', isolation_level=None); l.execute('begin immediate'); o = sqlite3.connect('/tmp/t.db', timeout=0.1)
try: o.execute("update u set n = 'x' where id = 1")
except sqlite3.OperationalError as e: print(e)
l.execute('rollback'); print(c.execute('pragma integrity_check').fetchone()); b = sqlite3.connect('/tmp/b.db'); db.backup(b); print(b.execute('select count(*) from u').fetchone()); c.execute('delete from u where id <= 100'); db.commit(); c.execute('vacuum'); print(c.execute('pragma wal_checkpoint(truncate)').fetchone(), os.path.exists('/tmp/t.db-wal')); db.close(); o.close(); l.close(); print(os.path.exists('/tmp/t.db-wal')); m = sqlite3.connect(':memory:'); m.execute('create table t(a, b blob)'); m.execute('insert into t values(1, zeroblob(1000000))'); bl = m.blobopen('t', 'b', 1); bl.write(b'xyz'); print(m.execute('select length(b), hex(substr(b, 1, 4)) from t').fetchone(), len(list(m.iterdump())))
END
echo $?
