// What imapflow is asked to do; clients_test.py starts it and gives the facts as JSON on stdin.
// Prints "ok NAME" or "not ok NAME - why" for each step and "done" at the end.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import assert from 'node:assert/strict';

const facts = JSON.parse(readFileSync(0, 'utf8'));
const { ImapFlow } = createRequire(facts.modules + '/')('imapflow');
const STEP_MAX_MS = 20000;

const subject = facts.marker;
const mime = [
  'From: Alice <alice@example.org>', `To: <${facts.user}>`, `Subject: ${subject} =?utf-8?q?gr=C3=BC=C3=9Fe?=`,
  'Date: Mon, 01 Jun 2026 10:00:00 +0200', `Message-ID: <${subject}@client>`, 'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary="b1"', '', 'preamble', '--b1',
  'Content-Type: multipart/alternative; boundary="b2"', '', '--b2', 'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable', '', 'Gr=C3=BC=C3=9Fe', '--b2', 'Content-Type: text/html', '',
  '<p>Hello</p>', '--b2--', '--b1', 'Content-Type: application/octet-stream; name="a.bin"',
  'Content-Disposition: attachment; filename="a.bin"', 'Content-Transfer-Encoding: base64', '',
  Buffer.from('attached octets').toString('base64'), '--b1--', ''].join('\r\n');

let failures = 0;
async function step(name, action) {
  let timer;
  const tooLong = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${STEP_MAX_MS} ms`)), STEP_MAX_MS);
  });
  try {
    await Promise.race([action(), tooLong]);
    console.log(`ok imapflow ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`not ok imapflow ${name} - ${String(error.message).split('\n')[0]} ${error.responseText || ''}`);
    console.error(error);
  } finally {
    clearTimeout(timer);
  }
}

function client(options = {}) {
  return new ImapFlow({
    host: facts.host, port: facts.imaps, secure: true, auth: { user: facts.user, pass: facts.password },
    tls: { ca: facts.ca }, logger: false, ...options });
}

// A delivery from outside, by hand.
function deliver(text) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(facts.smtp, '127.0.0.1');
    const lines = ['EHLO client.example.net', 'MAIL FROM:<alice@example.org>', `RCPT TO:<${facts.user}>`, 'DATA',
      `Subject: ${text}\r\n\r\nHello.\r\n.`, 'QUIT'];
    let input = '';
    socket.on('data', (data) => {
      input += data;
      for (;;) {
        const reply = input.match(/^(?:\d{3}-[^\n]*\n)*(\d{3}) [^\n]*\n/);
        if (!reply) return;
        input = input.slice(reply[0].length);
        if (reply[1] >= '400') return reject(new Error(reply[0]));
        if (lines.length === 0) return resolve(socket.end());
        socket.write(lines.shift() + '\r\n');
      }
    });
    socket.on('error', reject);
  });
}

function event(emitter, name, fits) {
  return new Promise((resolve) => {
    const listener = (data) => { if (fits(data)) { emitter.off(name, listener); resolve(data); } };
    emitter.on(name, listener);
  });
}

await step('logs in at 143 with STARTTLS', async () => {
  const plain = client({ port: facts.imap, secure: false });
  await plain.connect();
  assert.ok(plain.authenticated);
  await plain.logout();
});

await step('is told of a wrong password', async () => {
  const wrong = client({ auth: { user: facts.user, pass: 'wrong' } });
  await assert.rejects(wrong.connect(), (error) => error.authenticationFailed === true);
});

const flow = client();
flow.on('error', (error) => console.error('client error', error));
await step('logs in at 993', async () => { await flow.connect(); });

await step('lists folders with their uses', async () => {
  const folders = await flow.list();
  const uses = Object.fromEntries(folders.filter((f) => f.specialUse).map((f) => [f.specialUse, f.path]));
  assert.ok(folders.some((f) => f.path === 'INBOX'));
  for (const use of ['\\Drafts', '\\Sent', '\\Junk', '\\Trash', '\\Archive']) assert.ok(uses[use], `no ${use}`);
});

let uid;
await step('makes a folder and appends', async () => {
  await flow.mailboxCreate('Flow');
  const appended = await flow.append('Flow', mime, ['\\Seen'], new Date('2026-06-01T08:00:00Z'));
  assert.ok(appended, 'APPEND was refused');
  await flow.mailboxOpen('Flow');
  assert.equal(flow.mailbox.exists, 1);
  uid = appended.uid || (await flow.search({ all: true }, { uid: true }))[0];
});

await step('fetches envelope, structure and source', async () => {
  const m = await flow.fetchOne(uid, { uid: true, flags: true, envelope: true, bodyStructure: true, source: true,
    internalDate: true, size: true }, { uid: true });
  assert.ok(m.envelope.subject.startsWith(subject) && m.envelope.subject.endsWith('grüße'), m.envelope.subject);
  assert.equal(m.envelope.from[0].address, 'alice@example.org');
  assert.equal(m.envelope.from[0].name, 'Alice');
  assert.equal(m.envelope.messageId, `<${subject}@client>`);
  assert.equal(m.envelope.date.toISOString(), '2026-06-01T08:00:00.000Z');
  assert.equal(m.internalDate.toISOString(), '2026-06-01T08:00:00.000Z');
  assert.ok(m.flags.has('\\Seen'));
  assert.equal(m.source.toString('latin1'), Buffer.from(mime).toString('latin1'));
  assert.equal(m.size, Buffer.byteLength(mime));
  assert.equal(m.bodyStructure.type, 'multipart/mixed');
  const [alternative, attachment] = m.bodyStructure.childNodes;
  assert.equal(alternative.type, 'multipart/alternative');
  assert.deepEqual(alternative.childNodes.map((n) => n.type), ['text/plain', 'text/html']);
  assert.equal(attachment.type, 'application/octet-stream');
  assert.equal(attachment.disposition, 'attachment');
  assert.equal(attachment.dispositionParameters.filename, 'a.bin');
});

await step('downloads parts decoded', async () => {
  const read = async (part) => {
    const { content } = await flow.download(uid, part, { uid: true });
    const pieces = [];
    for await (const piece of content) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  };
  assert.equal((await read('1.1')).trim(), 'Grüße');
  assert.equal(await read('2'), 'attached octets');
});

await step('changes flags', async () => {
  assert.ok(await flow.messageFlagsAdd(uid, ['\\Flagged', '$Label1'], { uid: true }));
  assert.ok(await flow.messageFlagsRemove(uid, ['\\Seen'], { uid: true }));
  const { flags } = await flow.fetchOne(uid, { flags: true }, { uid: true });
  assert.deepEqual([...flags].filter((f) => f !== '\\Recent').sort(), ['$Label1', '\\Flagged']);
});

await step('searches', async () => {
  const by = (query) => flow.search(query, { uid: true });
  assert.deepEqual(await by({ subject }), [uid]);
  assert.deepEqual(await by({ flagged: true, unseen: true }), [uid]);
  assert.deepEqual(await by({ seen: true }), []);
  assert.deepEqual(await by({ header: { 'message-id': `<${subject}@client>` } }), [uid]);
  assert.deepEqual(await by({ since: new Date('2026-06-02') }), []);
  assert.deepEqual(await by({ or: [{ from: 'nobody@example.net' }, { from: 'alice@' }] }), [uid]);
});

await step('copies and moves', async () => {
  assert.ok(await flow.messageCopy(uid, 'Archive', { uid: true }));
  const moved = await flow.messageMove(uid, 'Trash', { uid: true });
  assert.ok(moved);
  assert.deepEqual(await flow.search({ all: true }, { uid: true }), []);
  await flow.mailboxOpen('Trash');
  const found = await flow.search({ subject }, { uid: true });
  assert.equal(found.length, 1);
  const { flags, source } = await flow.fetchOne(found[0], { flags: true, source: true }, { uid: true });
  assert.ok(flags.has('\\Flagged'));
  assert.equal(source.length, Buffer.byteLength(mime));
});

await step('deletes', async () => {
  const found = await flow.search({ subject }, { uid: true });
  assert.ok(await flow.messageDelete(found, { uid: true }));
  assert.deepEqual(await flow.search({ subject }, { uid: true }), []);
  await flow.mailboxClose();
  await flow.mailboxRename('Flow', 'Flow renamed');
  await flow.mailboxDelete('Flow renamed');
  assert.ok(!(await flow.list()).some((f) => f.path.startsWith('Flow')));
});

await step('is told of a new delivery and of another session\'s flags while idle', async () => {
  await flow.mailboxOpen('INBOX');
  const before = flow.mailbox.exists;
  const exists = event(flow, 'exists', (e) => e.count > before);
  const idling = flow.idle();
  await deliver(`${subject} while idle`);
  await exists;
  const other = client();
  await other.connect();
  await other.mailboxOpen('INBOX');
  const [fresh] = await other.search({ subject: `${subject} while idle` }, { uid: true });
  const flags = event(flow, 'flags', (e) => e.flags.has('\\Answered'));
  await other.messageFlagsAdd(fresh, ['\\Answered'], { uid: true });
  await flags;
  const gone = event(flow, 'expunge', () => true);
  await other.messageDelete(fresh, { uid: true });
  await gone;
  await other.logout();
  await flow.noop();  // ends the idling
  await idling;
});

await step('logs out', async () => { await flow.logout(); });

console.log('done');
process.exit(failures ? 1 : 0);
