// node-onvif (an old client): connect by address, list profiles, fetch a snapshot; JSON on stdout.
const onvif = require('node-onvif');

const [hostname, port, user, pass, https] = process.argv.slice(2);
const connect = (scheme, at) => {
  const device = new onvif.OnvifDevice({ xaddr: `${scheme}://${hostname}:${at}/onvif/device_service`, user, pass });
  return device.init().then((info) => ({ device, info, profiles: device.getProfileList() }));
};

// It does not know TLS and has no word for multicast: the tunnel's address is asked for as a camera behind TLS would
// be reached by it, and a multicast is set up at the address for UDP.
connect('http', port).then(({ device, info, profiles }) => {
  const told = { device: info.Model, profiles: profiles.map((profile) => profile.token) };
  told.uris = profiles.map((profile) => profile.stream.rtsp || profile.stream.udp);
  const { udp, rtsp, http } = profiles[0].stream;
  told.streams = { udp, tcp: rtsp, http, multicast: udp };
  if (https) told.streams.https = http.replace('http:', 'https:').replace(`:${port}/`, `:${https}/`);
  return device.fetchSnapshot().then((snapshot) => {
    told.snapshot = snapshot.headers['content-type'];
    told.bytes = snapshot.body.length;
    console.log(JSON.stringify(told));
    process.exit(0);
  });
}).catch((problem) => { console.error(problem); process.exit(1); });
