import { startAgentVm } from '../support/agent-vm.ts';
import { serviceLinkConformance } from './service-link.ts';

serviceLinkConformance('services in a VM', async () => {
  const vm = await startAgentVm({ services: 'tcp' });
  return { link: vm.serviceLink, agent: vm.agent, dispose: () => vm.stop() };
});
