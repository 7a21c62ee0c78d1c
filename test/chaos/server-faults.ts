/** What happens to the servers that replicas depend on. */
import { type Fault, pause, seconds } from './field.ts';

const apiServerRestarted: Fault = {
  name: 'API server killed and started again',
  async happen(field) {
    const forMs = field.dice.between(500, 9_000);
    await field.play.stopApiServer();
    await pause(field, forMs);
    await field.play.startApiServer();
    return `gone for ${seconds(forMs)} before its start`;
  },
};

const backendRestarted: Fault = {
  name: 'backend killed and started again',
  async happen(field) {
    const { dice, play } = field;
    const { name } = dice.pick(play.stage.zones);
    const part = `backend-${name}`;
    const forMs = dice.between(0, 3_000);
    const child = play.stage.part(part);
    child.kill('SIGKILL');
    await child.exited;
    await pause(field, forMs);
    play.stage.restart(part);
    return `that of ${name}, for ${seconds(forMs)}`;
  },
};

export const SERVER_FAULTS: readonly Fault[] = [apiServerRestarted, backendRestarted];
