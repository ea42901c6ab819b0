// SPDX-License-Identifier: MIT
// node-redis: connect, each type, transactions, pub/sub, scan, blocking, end.
import assert from 'node:assert/strict';
import { createClient } from 'redis';

const url = `redis://127.0.0.1:${process.argv[2]}`;
for (const RESP of [2, 3]) {
    const c = createClient({ url, RESP, name: 'tester', database: 1 });
    c.on('error', (e) => { throw e; });
    await c.connect();
    await c.flushAll();
    assert.equal(await c.clientGetName(), 'tester');
    assert.equal(await c.set('k', 'v', { EX: 100, NX: true }), 'OK');
    assert.equal(await c.set('k', 'w', { NX: true }), null);
    assert.equal(await c.get('k'), 'v');
    assert.equal(await c.ttl('k') > 90, true);
    assert.equal(await c.incrByFloat('f', 1.5), '1.5');
    assert.deepEqual(await c.mGet(['k', 'none']), ['v', null]);
    assert.equal(await c.rPush('l', ['a', 'b', 'c']), 3);
    assert.deepEqual(await c.lRange('l', 0, -1), ['a', 'b', 'c']);
    assert.deepEqual(await c.lPopCount('l', 2), ['a', 'b']);
    assert.equal(await c.hSet('h', { f: '1', g: '2' }), 2);
    assert.deepEqual({ ...await c.hGetAll('h') }, { f: '1', g: '2' });
    assert.equal(await c.sAdd('s', ['a', 'b']), 2);
    assert.equal(await c.sIsMember('s', 'a'), 1);
    assert.equal(await c.zAdd('z', [{ score: 1.5, value: 'a' },
                                    { score: 2, value: 'b' }]), 2);
    assert.deepEqual(await c.zRangeWithScores('z', 0, -1),
                     [{ value: 'a', score: 1.5 }, { value: 'b', score: 2 }]);
    assert.equal(await c.zScore('z', 'a'), 1.5);
    assert.deepEqual(await c.multi().set('m', '1').incr('m').get('m').exec(),
                     ['OK', 2, '2']);
    await c.watch('m');
    const other = c.duplicate();
    await other.connect();
    await other.set('m', 'changed');
    await assert.rejects(c.multi().set('m', 'lost').exec());
    const found = new Set();
    for await (const keys of c.scanIterator({ COUNT: 10 }))
        for (const key of keys) found.add(key);
    assert.deepEqual([...found].sort(), ['f', 'h', 'k', 'l', 'm', 's', 'z']);
    const sub = c.duplicate();
    await sub.connect();
    const message = new Promise((done) => sub.subscribe('ch', done).then(
        () => c.publish('ch', 'hello')));
    assert.equal(await message, 'hello');
    await sub.unsubscribe('ch');
    const waiting = other.blPop('jobs', 5);
    await c.rPush('jobs', 'job');
    assert.deepEqual({ ...await waiting }, { key: 'jobs', element: 'job' });
    await c.xGroupCreate('x', 'workers', '$', { MKSTREAM: true });
    const first = other.xReadGroup('workers', 'a', { key: 'x', id: '>' },
                                   { COUNT: 10, BLOCK: 5000 });
    const jobs = [];
    for (let i = 0; i < 20; i++)
        jobs.push(await c.xAdd('x', '*', { n: String(i) }));
    const had = (await first)[0].messages;
    assert.equal(had[0].id, jobs[0]);
    assert.deepEqual({ ...had[0].message }, { n: '0' });
    const rest = await c.xReadGroup('workers', 'b', { key: 'x', id: '>' });
    assert.equal(had.length + rest[0].messages.length, 20);
    assert.equal(await c.xAck('x', 'workers', rest[0].messages.map(
        (m) => m.id)), rest[0].messages.length);
    const taken = await c.xAutoClaim('x', 'workers', 'b', 0, '0');
    assert.deepEqual(taken.messages.map((m) => m.id), had.map((m) => m.id));
    await c.xAck('x', 'workers', taken.messages.map((m) => m.id));
    assert.equal((await c.xPending('x', 'workers')).pending, 0);
    assert.equal((await c.xInfoGroups('x'))[0].lag, 0);
    assert.equal((await c.xRange('x', '-', '+')).length, 20);
    await assert.rejects(c.lPush('k', 'x'), /WRONGTYPE/);
    await sub.close();
    await other.close();
    await c.close();
}
console.log('node-redis: all well');
