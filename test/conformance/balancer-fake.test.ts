import { systemClock } from '../../src/clock/system-clock.ts';
import { FakeBalancer } from '../../src/fake/balancer.ts';
import { FakeFrontDoor } from '../../src/fake/front-door.ts';
import { type BalancerHarness, balancerConformance } from './balancer.ts';

balancerConformance('fake', async (waitMs): Promise<BalancerHarness> => {
  const door = new FakeFrontDoor(systemClock, waitMs);
  let lastPort = 20_000;
  const nextPort = (): number => {
    lastPort += 1;
    return lastPort;
  };
  return {
    open: async () => new FakeBalancer(door, systemClock),
    startServer: async (name) => {
      const server = { name, host: '127.0.0.1', port: nextPort() };
      door.startServer(server.host, server.port);
      return {
        serving: { ...server, state: 'serving' },
        draining: { ...server, state: 'draining' },
        kill: async () => door.killServer(server.host, server.port),
        revive: async () => door.startServer(server.host, server.port),
      };
    },
    freePort: async () => nextPort(),
    takePort: async (port) => {
      door.takenPorts.add(port);
      return async () => void door.takenPorts.delete(port);
    },
    send: (port, request = {}) => door.send(port, { method: 'GET', workMs: 0, bodyBytes: 0, ...request }),
    kill: async () => door.kill(),
    dispose: async () => undefined,
  };
});
