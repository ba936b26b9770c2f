import { startAgentVm } from '../support/agent-vm.ts';
import { agentLinkConformance } from './agent-link.ts';

agentLinkConformance('agent in a VM', async () => {
  const vm = await startAgentVm();
  return { link: vm.link, agent: vm.agent, dispose: () => vm.stop() };
});
