// npm onvif (what UniFi Protect and Scrypted embed): connect, list, get addresses, hear an event; JSON on stdout.
const { Cam } = require('onvif');

const [hostname, port, username, password] = process.argv.slice(2);
const told = {};
const call = (cam, name, options) => new Promise((resolve, reject) => {
  const done = (error, result) => (error ? reject(new Error(`${name}: ${error.message}`)) : resolve(result));
  if (options === undefined) cam[name](done); else cam[name](options, done);
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
