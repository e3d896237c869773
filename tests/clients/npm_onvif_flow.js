// npm onvif (what UniFi Protect and Scrypted embed): connect, list, get addresses, hear an event; JSON on stdout.
const { Cam } = require('onvif');

const [hostname, port, username, password, https] = process.argv.slice(2);
const TRANSPORTS = { udp: 'RtspUnicast', tcp: 'RTSP', http: 'RtspOverHttp', multicast: 'RtspMulticast' };
const told = {};
const call = (cam, name, options) => new Promise((resolve, reject) => {
  const done = (error, result) => (error ? reject(new Error(`${name}: ${error.message}`)) : resolve(result));
  if (options === undefined) cam[name](done); else cam[name](options, done);
});

const tunnelled = () => new Promise((resolve, reject) => {
  const options = { useSecure: true, secureOpts: { rejectUnauthorized: false } };
  const secure = new Cam({ hostname, port: Number(https), username, password, timeout: 30000, ...options }, (error) => {
    if (error) { reject(error); return; }
    call(secure, 'getStreamUri', { protocol: TRANSPORTS.http, profileToken: 'main' }).then(({ uri }) => resolve(uri), reject);
  });
});

const cam = new Cam({ hostname, port: Number(port), username, password, timeout: 30000 }, async (error) => {
  if (error) { console.error(error); process.exit(1); }
  try {
    told.device = (await call(cam, 'getDeviceInformation')).model;
    told.media2 = Boolean(cam.media2Support);
    told.profiles = cam.profiles.map((profile) => profile.$.token);
    told.uris = [];
    for (const profileToken of told.profiles) {
      told.uris.push((await call(cam, 'getStreamUri', { protocol: 'RTSP', profileToken })).uri);
    }
    told.streams = {};
    for (const [name, protocol] of Object.entries(TRANSPORTS)) {
      told.streams[name] = (await call(cam, 'getStreamUri', { protocol, profileToken: 'main' })).uri;
    }
    if (https) told.streams.https = await tunnelled();
    told.snapshot = (await call(cam, 'getSnapshotUri', {})).uri;
    told.brightness = Number((await call(cam, 'getImagingSettings')).brightness);
    told.event = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('no event in 30 s')), 30000);
      cam.on('eventsError', reject);
      cam.on('event', (message) => { clearTimeout(late); resolve(message.topic._); });
    });
    console.log(JSON.stringify(told));
    process.exit(0);
  } catch (problem) {
    console.error(problem);
    process.exit(1);
  }
});
