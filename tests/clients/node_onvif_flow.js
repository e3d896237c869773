// node-onvif (an old client): connect by address, list profiles, fetch a snapshot; JSON on stdout.
const onvif = require('node-onvif');

const [hostname, port, user, pass] = process.argv.slice(2);
const device = new onvif.OnvifDevice({ xaddr: `http://${hostname}:${port}/onvif/device_service`, user, pass });

device.init().then((info) => {
  const told = { device: info.Model, profiles: device.getProfileList().map((profile) => profile.token) };
  told.uris = device.getProfileList().map((profile) => profile.stream.rtsp || profile.stream.udp);
  return device.fetchSnapshot().then((snapshot) => {
    told.snapshot = snapshot.headers['content-type'];
    told.bytes = snapshot.body.length;
    console.log(JSON.stringify(told));
    process.exit(0);
  });
}).catch((problem) => { console.error(problem); process.exit(1); });
