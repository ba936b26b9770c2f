for number in range(10_050):
    open(f'out/{number:05}', 'w').close()
